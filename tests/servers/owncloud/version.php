<?php
$OC_Version = [11, 0, 0, 0];
$OC_VersionString = '11.0.0';
$OC_VersionCanBeUpgradedFrom = [[10, 15]];
$OC_Edition = 'Community';
$OC_Channel = '';
$OC_Build = '';
$vendor = 'owncloud';
