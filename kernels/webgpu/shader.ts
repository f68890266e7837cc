import type { Gpu } from './device.js'
import { PARAMS_BYTES, paramsSource } from './params.js'

/** A storage buffer of a shader: an array of this type. */
export interface Binding {
  /** Its name in the code. */
  readonly name: string
  /** The type of its elements. */
  readonly type: 'u32' | 'f32' | 'vec2u' | 'vec2f' | 'vec4f'
  /** Whether the shader writes to it. */
  readonly isWritten?: true
}

/** A compute shader, without what all have in common. */
export interface Shader {
  /** Its name in messages; another shader has another. */
  readonly label: string
  /** Its storage buffers, eight at most: every adapter has as many. */
  readonly bindings: readonly Binding[]
  /** WGSL with a function `main`. */
  readonly code: string
}

/** A compiled shader. */
export interface Pipeline {
  /** Tells pipelines apart in keys. */
  readonly id: number
  /** What is dispatched. */
  readonly compute: GPUComputePipeline
  /** How its buffers are bound. */
  readonly layout: GPUBindGroupLayout
}

const COMPUTE = 4

const shaders = new Map<string, Shader>()

/** Makes the shader of a label, once in this process: its text is long. */
export function shaderOf(label: string, make: () => Omit<Shader, 'label'>): Shader {
  let shader = shaders.get(label)
  if (!shader) {
    shader = { label, ...make() }
    shaders.set(label, shader)
  }
  return shader
}

/** Compiles shaders; each once. A shader that does not compile makes the kernels fail. */
export function compiler(gpu: Gpu): (shader: Shader) => Pipeline {
  const made = new Map<string, Pipeline>()

  function compile({ label, bindings, code }: Shader): Pipeline {
    const { device } = gpu
    device.pushErrorScope('validation')
    const layout = device.createBindGroupLayout({
      label,
      entries: [
        {
          binding: 0,
          visibility: COMPUTE,
          buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: PARAMS_BYTES },
        },
        ...bindings.map(({ isWritten }, i) => ({
          binding: i + 1,
          visibility: COMPUTE,
          buffer: { type: isWritten ? ('storage' as const) : ('read-only-storage' as const) },
        })),
      ],
    })
    const module = device.createShaderModule({ label, code: sourceOf(bindings, code) })
    const compute = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    })
    device.popErrorScope().then(
      (error) => error && complain(label, module, error),
      () => undefined,
    )
    return { id: made.size, compute, layout }
  }

  async function complain(label: string, module: GPUShaderModule, error: GPUError): Promise<void> {
    // A device that was lost meanwhile has no more to say.
    const { messages } = await module.getCompilationInfo().catch(() => ({ messages: [] }))
    const lines = messages.map(({ lineNum, linePos, message }) => `line ${lineNum}:${linePos}: ${message}`)
    gpu.fail(`the shader "${label}" does not compile: ${[...lines, error.message].join('\n')}`)
  }

  return (shader) => {
    let pipeline = made.get(shader.label)
    if (!pipeline) {
      pipeline = compile(shader)
      made.set(shader.label, pipeline)
    }
    return pipeline
  }
}

function sourceOf(bindings: readonly Binding[], code: string): string {
  const declared = bindings.map(
    ({ name, type, isWritten }, i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${isWritten ? 'read_write' : 'read'}> ${name}: array<${type}>;`,
  )
  return `${paramsSource}${declared.join('\n')}\n${shared}\n${code}`
}

/** The number of a workgroup: dispatches have two dimensions, because one reaches 65,535 only. */
const shared = `
fn group_of(id: vec3u) -> u32 { return id.x + id.y * 65535u; }
fn is_finite(bits: u32) -> bool { return (bits & 0x7f800000u) != 0x7f800000u; }
`

/** The dimensions of a dispatch of so many workgroups. */
export function dimensions(groups: number): [x: number, y: number] {
  return [Math.min(groups, 65535), Math.ceil(groups / 65535)]
}
