module github.com/reelmill/reelmill/pkg/ffmpeg

go 1.26.0

require (
	github.com/reelmill/reelmill/pkg/core v0.0.0
	github.com/u2takey/ffmpeg-go v0.5.0
	go.uber.org/goleak v1.3.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/aws/aws-sdk-go v1.38.20 // indirect
	github.com/jmespath/go-jmespath v0.4.0 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	github.com/u2takey/go-utils v0.3.1 // indirect
	golang.org/x/net v0.61.0 // indirect
)

replace github.com/reelmill/reelmill/pkg/core => ../core
