/** Renders an SVG as a PNG, with `scale` pixels per unit. */
export type Renderer = (svg: string, scale: number) => Uint8Array

/** The font of every text, whatever family it asks for. */
export const fontFamilies = { defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
