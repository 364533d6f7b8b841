"""Session engines as other packages write them."""
