<?php
// What monitors and clients ask first: says of maintenance mode, and is never blocked by it.
require_once __DIR__ . '/lib/instance.php';
$instance = new Instance(__DIR__);
header('Content-Type: application/json');
echo json_encode([
    'installed' => (bool)$instance->config->get('installed', false),
    'maintenance' => (bool)$instance->config->get('maintenance', false),
    'needsDbUpgrade' => $instance->needsUpgrade(),
    'version' => implode('.', $instance->version['OC_Version']),
    'versionstring' => $instance->version['OC_VersionString'],
    'edition' => $instance->version['OC_Edition'],
    'productname' => 'ownCloud',
]);
