"""The repository: blobs in packs, an index, trees and snapshots; see docs/format.md."""
