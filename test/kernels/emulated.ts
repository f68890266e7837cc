import { existsSync } from 'node:fs'
import { implementations } from '../../dist/kernels/registry.js'

/** Chromium's emulated adapter, which tests take where there is no other. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json'

/** Why tests on a GPU are skipped; false if there is a real or an emulated one. Sets the variable that names the latter. */
export async function webgpuMissing(): Promise<string | false> {
  if (existsSync(swiftShader)) process.env.VK_ICD_FILENAMES ??= swiftShader
  return (await implementations.webgpu.missing()) ?? false
}
