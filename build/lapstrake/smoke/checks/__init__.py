"""The checks that every image gets; a runtime's own are beside its definition."""
