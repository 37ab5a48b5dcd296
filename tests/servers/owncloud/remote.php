<?php
// WebDAV answers 503 in maintenance mode, and else asks who is there.
require_once __DIR__ . '/lib/instance.php';
$frozen = (bool)(new Instance(__DIR__))->config->get('maintenance', false);
http_response_code($frozen ? 503 : 401);
header('Content-Type: application/xml; charset=utf-8');
$what = $frozen ? 'System in maintenance mode.' : 'Cannot authenticate';
echo "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    . "<d:error xmlns:d=\"DAV:\"><s:message xmlns:s=\"http://sabredav.org/ns\">$what</s:message>"
    . "</d:error>\n";
