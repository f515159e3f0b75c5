-- Argument: digest of an access token.  Returns whether it was known.
return forget_token(ARGV[1])
