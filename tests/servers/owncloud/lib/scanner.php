<?php
// occ files:scan as ownCloud does it: rows for what is new on the disk, none for what is gone, a new
// etag for all folders above what changed; numbers of paths that stay are kept.

final class Scanner
{
    private PDO $database;
    private string $prefix;
    private int $storage;
    private string $home;

    public function __construct(private Instance $instance)
    {
        $this->database = $instance->open();
        $this->database->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
        $this->prefix = (string)$instance->config->get('dbtableprefix', 'oc_');
    }

    /** @return int occ's exit status */
    public function scan(string $path): int
    {
        $parts = explode('/', trim($path, '/'), 2);
        $user = $parts[0];
        $inner = $parts[1] ?? '';
        $rows = $this->rows("SELECT home FROM {p}accounts WHERE user_id = ?", [$user]);
        if ($rows === []) {
            echo "Unknown user 1 $user\n";
            return 1;
        }
        $this->home = $rows[0]['home'];
        if (!is_dir($this->home)) {
            echo "Home storage for user $user not writable\n";
            return 1;
        }
        $this->storage = $this->storage("home::$user");
        $this->database->beginTransaction();
        $this->ancestors($inner);
        if ($this->walk($inner)) {
            $this->propagate($inner);
        }
        $this->database->commit();
        echo "Starting scan for user 1 out of 1 ($user)\n";
        return 0;
    }

    private function storage(string $name): int
    {
        $name = strlen($name) > 64 ? md5($name) : $name;
        $rows = $this->rows("SELECT numeric_id FROM {p}storages WHERE id = ?", [$name]);
        if ($rows === []) {
            $this->rows("INSERT INTO {p}storages (id) VALUES (?)", [$name]);
            return (int)$this->database->lastInsertId();
        }
        return (int)$rows[0]['numeric_id'];
    }

    private function ancestors(string $path): void
    {
        if ($path === '') {
            return;
        }
        $parent = dirname($path) === '.' ? '' : dirname($path);
        $this->ancestors($parent);
        if ($this->row($parent) === null) {
            $this->insert($parent);
        }
    }

    private function walk(string $path): bool
    {
        $disk = rtrim("{$this->home}/$path", '/');
        $row = $this->row($path);
        if (!file_exists($disk)) {
            $this->forget($path);
            return $row !== null;
        }
        $changed = $row === null;
        if ($row === null) {
            $this->insert($path);
        } elseif (!is_dir($disk)
            && ((int)$row['size'] !== filesize($disk) || (int)$row['mtime'] !== filemtime($disk))) {
            $this->rows(
                "UPDATE {p}filecache SET size = ?, mtime = ?, storage_mtime = ?, etag = ?,"
                . " checksum = '' WHERE fileid = ?",
                [filesize($disk), filemtime($disk), filemtime($disk), uniqid(), $row['fileid']]
            );
            $changed = true;
        }
        if (!is_dir($disk) || is_link($disk)) {
            return $changed;
        }
        $known = $this->rows(
            "SELECT name FROM {p}filecache WHERE parent = ?",
            [$this->row($path)['fileid']]
        );
        $present = array_filter(
            scandir($disk),
            fn ($name) => !in_array($name, ['.', '..'], true) && !str_ends_with($name, '.part')
                && preg_match('//u', $name)
        );
        foreach (array_unique([...array_column($known, 'name'), ...$present]) as $name) {
            $changed = $this->walk($path === '' ? $name : "$path/$name") || $changed;
        }
        if ($changed) {
            $this->sum($path);
        }
        return $changed;
    }

    private function insert(string $path): void
    {
        $disk = rtrim("{$this->home}/$path", '/');
        $folder = is_dir($disk);
        $parent = $path === '' ? -1
            : $this->row(dirname($path) === '.' ? '' : dirname($path))['fileid'];
        $this->rows(
            "INSERT INTO {p}filecache (storage, path, path_hash, parent, name, mimetype, mimepart,"
            . " size, mtime, storage_mtime, etag, permissions, checksum)"
            . " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            [
                $this->storage, $path, md5($path), $parent, basename($path), $folder ? 2 : 4,
                $folder ? 1 : 3, $folder ? 0 : filesize($disk), filemtime($disk),
                filemtime($disk), uniqid(), $folder ? 31 : 27,
            ]
        );
    }

    private function forget(string $path): void
    {
        $this->rows(
            "DELETE FROM {p}filecache WHERE storage = ? AND (path = ? OR SUBSTR(path, 1, ?) = ?)",
            [$this->storage, $path, preg_match_all('/./us', $path) + 1, "$path/"]
        );
    }

    private function propagate(string $path): void
    {
        while ($path !== '') {
            $path = dirname($path) === '.' ? '' : dirname($path);
            $this->sum($path);
        }
    }

    private function sum(string $path): void
    {
        $number = $this->row($path)['fileid'];
        $rows = $this->rows(
            "SELECT COALESCE(SUM(size), 0) AS total FROM {p}filecache WHERE parent = ?",
            [$number]
        );
        $this->rows(
            "UPDATE {p}filecache SET size = ?, etag = ? WHERE fileid = ?",
            [$rows[0]['total'], uniqid(), $number]
        );
    }

    private function row(string $path): ?array
    {
        return $this->rows(
            "SELECT fileid, size, mtime FROM {p}filecache WHERE storage = ? AND path_hash = ?",
            [$this->storage, md5($path)]
        )[0] ?? null;
    }

    private function rows(string $sql, array $values): array
    {
        $statement = $this->database->prepare(str_replace('{p}', $this->prefix, $sql));
        $statement->execute($values);
        return $statement->columnCount() > 0 ? $statement->fetchAll(PDO::FETCH_ASSOC) : [];
    }
}
