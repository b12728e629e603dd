module github.com/reelmill/reelmill/test/arch

go 1.26.0
