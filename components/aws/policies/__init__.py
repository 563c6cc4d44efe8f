"""Who may do what in the account: IAM's documents, made of typed statements, without Pulumi."""
