"""What the server itself does to objects of a kind on their way to the store."""
