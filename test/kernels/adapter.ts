import { existsSync } from 'node:fs'
import { webgpuMissing } from '../../dist/kernels/webgpu/index.js'

/** SwiftShader, which comes with the Chromium of Debian: a Vulkan driver that computes on the CPU. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json'

/**
 * Why tests on a GPU are skipped here, or false. Where there is no GPU, they run on SwiftShader if it is there.
 */
export async function webgpuSkip(): Promise<string | false> {
  if (!process.env.VK_ICD_FILENAMES && !process.env.MILLRACE_GPU && existsSync(swiftShader))
    process.env.VK_ICD_FILENAMES = swiftShader
  return (await webgpuMissing()) ?? false
}
