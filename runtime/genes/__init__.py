"""Names of genes: rules, organisms, and the match of a query to a panel."""
