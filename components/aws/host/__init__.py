"""What runs on the machines before anything of ours is installed there."""
