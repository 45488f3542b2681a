module github.com/triggers-api/triggers/sdks/go

go 1.25
