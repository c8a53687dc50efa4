<?php
// WordPress's settings for the host localhost; what they leave out is Debian's.
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'wordpress' );
define( 'DB_PASSWORD', 'wordpress' );
define( 'DB_HOST', 'localhost:/run/mysqld/mysqld.sock' );
// No work by the clock in a request, nor requests to others.
define( 'DISABLE_WP_CRON', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
foreach ( array( 'AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE' ) as $use ) {
	define( $use . '_KEY', 'key of ' . $use );
	define( $use . '_SALT', 'salt of ' . $use );
}
