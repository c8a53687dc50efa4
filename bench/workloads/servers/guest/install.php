<?php
// SPDX-License-Identifier: Apache-2.0
// Installs WordPress as its own page does, with a few posts of some length.
$_SERVER['HTTP_HOST']   = 'localhost';
$_SERVER['REQUEST_URI'] = '/wp-admin/install.php';
define( 'WP_INSTALLING', true );
require '/usr/share/wordpress/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

// No mail: there is nobody who would take it.
function wp_mail() {
	return true;
}

wp_install( 'Nestor', 'admin', 'admin@localhost.localdomain', true, '', 'password' );
for ( $i = 1; $i <= 10; $i++ ) {
	$id = wp_insert_post(
		array(
			'post_title'   => "Post $i",
			'post_content' => str_repeat( "<p>Measured by its front page, <b>post $i</b>.</p>\n", 20 ),
			'post_status'  => 'publish',
			'post_author'  => 1,
		)
	);
	if ( ! is_int( $id ) || 0 === $id ) {
		exit( 1 );
	}
}
echo "installed\n";
