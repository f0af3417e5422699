"""Taking pictures from a stream that FFmpeg reads: all of them, or key frames alone while nothing moves.

taking      the packets of a stream, decoded and converted where that is wanted
├── idling  which are decoded: all, or key frames alone until movement is suspected
│   └── movement  suspects it, by the sizes of packets
└── decoder  decodes them
    └── hardware  the decoders of devices

Nothing here knows where a stream comes from.
"""
