"""What `lapstrake init` and `lapstrake new` write, as files with $placeholders."""
