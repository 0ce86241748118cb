package check

// Clock is exported because over a connection its bounds are a second wide.
var Clock = clock
