"""The cluster in an AWS account."""
