// The page works without this; it adds what is live, the keyboard, undo, and uploads with progress.

import { wireCameras } from './cameras.js'
import { wireCapture } from './capture.js'
import { wireChanges } from './changes.js'
import { wireKeyboard } from './keyboard.js'
import { wireLive } from './live.js'
import { wirePhotos, wireTry } from './photos.js'
import { wireRegion } from './region.js'
import { wireSetup } from './setup.js'
import { wireTimeline } from './timeline.js'
import { wireUndo } from './undo.js'

document.documentElement.classList.add('js')
for (const wire of [wireUndo, wireChanges, wireKeyboard, wirePhotos, wireTry, wireTimeline, wireCapture, wireRegion, wireSetup, wireCameras, wireLive]) wire()
document.addEventListener('refreshed', wireCameras)
