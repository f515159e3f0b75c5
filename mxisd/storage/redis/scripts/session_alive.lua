-- Arguments: secret digest, alive since, guesses allowed.  Returns the living session of this digest, or nil.
return living_session(unpack(ARGV, 1, 3))
