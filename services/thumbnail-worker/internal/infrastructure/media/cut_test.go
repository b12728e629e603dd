package media

import (
	"testing"
	"time"
)

func TestLinear(t *testing.T) {
	long, sparse := film(600*s, 2*s).Keyframes(), film(600*s, 60*s).Keyframes()
	tests := []struct {
		name      string
		shots     []shot
		keyframes []time.Duration
		want      bool
	}{
		{"keyframes", keyShots(spread(100, 6*s, 0)...), long, false},
		{"the beginnings of many groups", otherShots(spread(300, 2*s, s)...), long, false},
		{"most of every group", otherShots(spread(300, 2*s, 1900*time.Millisecond)...), long, true},
		{"most of few groups", otherShots(spread(10, 60*s, 1900*time.Millisecond)...), long, false},
		{"many frames of groups that are long", otherShots(spread(100, 6*s, s)...), sparse, true},
		{"the first frame", otherShots(0), long, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := linear(byKeyframe(tt.shots, tt.keyframes)); got != tt.want {
				t.Errorf("linear = %v, want %v", got, tt.want)
			}
		})
	}
}
