module github.com/triggers-api/triggers/apps/e2e/sdk/go

go 1.25

require github.com/triggers-api/triggers/sdks/go v0.0.0

replace github.com/triggers-api/triggers/sdks/go => ../../../../sdks/go
