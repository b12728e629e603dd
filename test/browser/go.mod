module github.com/reelmill/reelmill/test/browser

go 1.26.0

require (
	github.com/chromedp/chromedp v0.23.0
	github.com/reelmill/reelmill/pkg/core v0.0.0
	github.com/reelmill/reelmill/pkg/ffmpeg v0.0.0
)

require (
	github.com/chromedp/cdproto v0.159.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
)

replace (
	github.com/reelmill/reelmill/pkg/core => ../../pkg/core
	github.com/reelmill/reelmill/pkg/ffmpeg => ../../pkg/ffmpeg
)
