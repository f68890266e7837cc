/** The formats of the results of tests. */
export const reportFormats = ['spec', 'tap', 'junit', 'json'] as const

/** The name of a format. */
export type ReportFormat = (typeof reportFormats)[number]
