"""What testers are handed: an issue on GitHub for each image, or for the family."""
