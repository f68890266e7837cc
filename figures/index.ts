/** Figures as SVG text, and SVG as PNG. What draws is loaded when the first figure is asked for. */
export { type Bar, barsFigure } from './bars.js'
export { type ChartSpec, chart } from './chart.js'
export { type Confusion, confusionFigure, confusionOf } from './confusion.js'
export { type CurveSeries, type CurvesOptions, curvesFigure } from './curves.js'
export { type GradientError, gradientErrorsFigure } from './gradient-errors.js'
export { inRows, type MontageOptions, montageFigure, type Tile, type TileRow } from './montage.js'
export { type ImageLayout, imageLayout, type Pixels, pixelsOf, rangeOf } from './pixels.js'
export { pngOf } from './png.js'
export {
  type SettingsMap,
  type SettingsPoint,
  settingsLineFigure,
  settingsMapFigure,
} from './settings.js'
export { colours, dashPatterns, theme } from './theme.js'
