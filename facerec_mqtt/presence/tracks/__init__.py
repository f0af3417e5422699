"""The frames of one face in a row: following it, its votes, its pooled embedding."""
