module github.com/triggers-api/triggers/docs/examples/go

go 1.25

require github.com/triggers-api/triggers/sdks/go v0.1.0

// A program of your own needs no such line.
replace github.com/triggers-api/triggers/sdks/go => ../../../sdks/go
