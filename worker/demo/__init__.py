"""What the demo shows when there is no camera: two public-domain portraits, panned and zoomed as a camera would."""
