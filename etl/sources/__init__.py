"""Where photos lie: a folder, an archive, an S3 prefix, the web; and the tables that list them."""
