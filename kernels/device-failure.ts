const CODE = 'MILLRACE_DEVICE'

/** Makes the error of a device that no longer computes: it was taken away, or one of its calls failed. */
export function deviceFailure(message: string): Error {
  return Object.assign(new Error(message), { code: CODE })
}

/** Whether an error is a `deviceFailure`. */
export function isDeviceFailure(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === CODE
}
