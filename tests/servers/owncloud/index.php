<?php
require_once __DIR__ . '/lib/instance.php';
if ((new Instance(__DIR__))->config->get('maintenance', false)) {
    http_response_code(503);
    header('Retry-After: 120');
}
echo 'ownCloud';
