module github.com/reelmill/reelmill/pkg/core

go 1.26.0
