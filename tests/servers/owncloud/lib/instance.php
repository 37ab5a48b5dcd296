<?php
// What the stand-in's entry points share: the version, the settings, and the faults to play.
require_once __DIR__ . '/config.php';

final class Instance
{
    public Config $config;
    public array $version;

    /** Faults are files in the folder "faults" beside occ; the content is their parameter. */
    public function __construct(public string $root)
    {
        include "$root/version.php";
        $this->version = compact('OC_Version', 'OC_VersionString', 'OC_Edition');
        $left = $this->fault('disk-full');
        if (($seconds = $this->fault('slow')) !== null) {
            sleep((int)$seconds);
        }
        try {
            $this->config = new Config("$root/config", $left === null ? null : (int)$left);
        } catch (ParseError $error) {
            echo "An unhandled exception has been thrown:\n$error\n";
            exit(255);
        }
    }

    public function fault(string $name): ?string
    {
        $file = "{$this->root}/faults/$name";
        return is_file($file) ? trim((string)file_get_contents($file)) : null;
    }

    /** ownCloud 9.1 prints its notices elsewhere and asks less. */
    public function isOld(): bool
    {
        return $this->version['OC_Version'][0] < 10;
    }

    public function isInstalled(): bool
    {
        return (bool)$this->config->get('installed', false);
    }

    public function needsUpgrade(): bool
    {
        $installed = (string)$this->config->get('version', '');
        return $installed !== ''
            && version_compare(implode('.', $this->version['OC_Version']), $installed, '>');
    }

    public function status(): array
    {
        $installed = implode('.', $this->version['OC_Version']);
        return [
            'installed' => $this->isInstalled(),
            'first_install_version' => $installed,
            'version' => $installed,
            'versionstring' => $this->version['OC_VersionString'],
            'edition' => $this->version['OC_Edition'],
        ];
    }

    /** What occ prints before it exits with 1, or null when it may work. */
    public function refusal(): ?string
    {
        $owner = fileowner("{$this->root}/config/config.php");
        $user = posix_geteuid();
        if ($owner !== $user) {
            return "Console has to be executed with the user that owns the file config/config.php\n"
                . 'Current user: ' . $this->userName($user) . "\n"
                . 'Owner of config.php: ' . $this->userName($owner) . "\n"
                . "Try adding 'sudo -u " . $this->userName($owner) . " ' to the beginning of the"
                . " command (without the single quotes)\n";
        }
        if (!is_writable("{$this->root}/config/config.php")) {
            return "Cannot write into \"config\" directory!\n"
                . "This can usually be fixed by giving the webserver write access to the config"
                . " directory.\n";
        }
        $data = (string)$this->config->get('datadirectory', "{$this->root}/data");
        if ($this->isInstalled() && !file_exists("$data/.ocdata")) {
            return "Your data directory is invalid\n"
                . "Please check that the data directory contains a file \".ocdata\" in its root.\n";
        }
        $this->connect();
        return null;
    }

    private function connect(): void
    {
        if ($this->fault('database-down') !== null) {
            throw new RuntimeException(
                'Failed to connect to the database: An exception occurred in driver:'
                . ' SQLSTATE[HY000] [2002] Connection refused'
            );
        }
        if (!$this->isInstalled() || $this->fault('no-database') !== null) {
            return;
        }
        try {
            $this->open()->query('SELECT 1');
        } catch (PDOException $error) {
            throw new RuntimeException(
                "Failed to connect to the database: An exception occurred in driver: "
                . $error->getMessage()
            );
        }
    }

    public function open(): PDO
    {
        $config = $this->config;
        $name = $config->get('dbname', 'owncloud');
        if ($config->get('dbtype', 'sqlite3') === 'sqlite3') {
            return new PDO("sqlite:{$config->get('datadirectory')}/$name.db");
        }
        [$host, $rest] = explode(':', $config->get('dbhost') . ':', 2);
        $rest = rtrim($rest, ':');
        $place = str_starts_with($rest, '/') ? "unix_socket=$rest"
            : "host=$host" . ($rest === '' ? '' : ";port=$rest");
        return new PDO(
            "mysql:$place;dbname=$name",
            $config->get('dbuser'),
            $config->get('dbpassword'),
            [PDO::ATTR_TIMEOUT => 5]
        );
    }

    private function userName(int $uid): string
    {
        return posix_getpwuid($uid)['name'] ?? (string)$uid;
    }
}
