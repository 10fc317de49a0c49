"""What tests of several modules share: real servers on loopback."""
