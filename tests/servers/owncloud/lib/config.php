<?php
// config.php as ownCloud 10 and 11 keep it: merged on reading, rewritten in place on a change.

final class Config
{
    private array $values = [];

    public function __construct(private string $folder, private ?int $bytesLeft)
    {
        $main = "$folder/config.php";
        $overlays = glob("$folder/*.config.php");
        natsort($overlays);
        foreach (array_merge([$main], $overlays) as $file) {
            $handle = fopen($file, 'r');
            flock($handle, LOCK_SH);
            unset($CONFIG);
            include $file;
            if (isset($CONFIG) && is_array($CONFIG)) {
                $this->values = array_merge($this->values, $CONFIG);
            }
            flock($handle, LOCK_UN);
            fclose($handle);
        }
    }

    public function all(): array
    {
        return $this->values;
    }

    public function get(string $key, mixed $default = null): mixed
    {
        $environment = getenv("OC_$key");
        return $environment !== false ? $environment : $this->values[$key] ?? $default;
    }

    public function set(string $key, mixed $value): void
    {
        if (array_key_exists($key, $this->values) && $this->values[$key] === $value) {
            return;
        }
        if ($this->get('config_is_read_only', false)) {
            throw new Exception('Config is set to be read-only via option "config_is_read_only".');
        }
        $this->values[$key] = $value;
        $this->write();
    }

    private function write(): void
    {
        $file = "{$this->folder}/config.php";
        $content = "<?php\n\$CONFIG = " . var_export($this->values, true) . ";\n";
        $handle = @fopen($file, 'r+');
        @chmod($file, 0640);
        if (!is_resource($handle)) {
            throw new Exception("Can't write into config directory!");
        }
        if (!flock($handle, LOCK_EX)) {
            throw new Exception("Could not acquire an exclusive lock on the config file $file");
        }
        // Truncated first, then written, and the result of the write is not looked at.
        ftruncate($handle, 0);
        fwrite($handle, $this->bytesLeft === null ? $content
            : substr($content, 0, $this->bytesLeft));
        fflush($handle);
        flock($handle, LOCK_UN);
        fclose($handle);
    }
}
