"""What the Matrix specification defines: identifiers, signatures, errors, and how to reach other servers."""
