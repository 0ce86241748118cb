package check

// Clock is tested by itself: over a connection its bounds are a second wide.
var Clock = clock
