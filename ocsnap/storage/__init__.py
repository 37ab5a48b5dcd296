"""Where objects are kept: S3, a local folder or memory, and decorators around them."""
