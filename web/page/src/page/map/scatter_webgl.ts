/** The scatter plot in WebGL 2: one draw call a layer, shapes from signed distances. */

import { fitCanvas, type Layer, type Scatter, stepOf, type View } from "./canvas";

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; in float shape;
uniform vec2 centre; uniform vec2 scale; uniform float size;
out vec4 tone; flat out int kind;
void main() {
  gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  gl_PointSize = size;
  tone = colour; kind = int(shape + 0.5);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tone; flat in int kind;
uniform vec3 background; uniform float size; uniform float rim;
out vec4 pixel;
float away(vec2 p) {
  vec2 a = abs(p);
  if (kind == 1) return max(a.x, a.y) - 0.78;
  if (kind == 2) return (a.x + a.y - 1.0) * 0.7071;
  if (kind == 3) return max(a.x * 0.866 + p.y * 0.5 - 0.42, -p.y - 0.62);
  if (kind == 4) return max(a.x * 0.866 - p.y * 0.5 - 0.42, p.y - 0.62);
  if (kind == 5) return min(max(a.x - 0.88, a.y - 0.34), max(a.x - 0.34, a.y - 0.88));
  return length(p) - 0.88;
}
void main() {
  vec2 p = (gl_PointCoord - 0.5) * 2.0;
  float blur = 2.0 / size;
  float d = away(vec2(p.x, -p.y));
  float inside = 1.0 - smoothstep(-blur, 0.0, d);
  if (inside <= 0.0) discard;
  float core = rim > 0.0 ? 1.0 - smoothstep(-rim - blur, -rim, d) : 1.0;
  pixel = vec4(mix(background, tone.rgb, core), tone.a * inside);
}`;

interface Buffers {
  vao: WebGLVertexArrayObject;
  parts: Attribute[];
  layer: Layer;
}

/** Values of one kind, of every point. */
interface Attribute {
  buffer: WebGLBuffer;
  at: number;
  width: number;
  type: number;
  normalised: boolean;
  bytes: number;
}

/** The plot, or null where the browser has no WebGL 2. */
export function openWebgl(canvas: HTMLCanvasElement): Scatter | null {
  // tried elsewhere first: a canvas that once gave a WebGL context gives no other
  const trial = document.createElement("canvas").getContext("webgl2");
  if (!trial || !compiled(trial)) return null;
  trial.getExtension("WEBGL_lose_context")?.loseContext();
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  const program = gl && compiled(gl);
  return program ? new WebglScatter(canvas, gl, program) : null;
}

class WebglScatter implements Scatter {
  private layers: Buffers[] = [];
  private last: Parameters<Scatter["draw"]> | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    private program: WebGLProgram,
  ) {
    this.blend();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.restore());
  }

  private blend(): void {
    const { gl } = this;
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE);
  }

  /** A graphics driver that was restarted has forgotten everything. */
  private restore(): void {
    const program = compiled(this.gl);
    if (!program) return;
    this.program = program;
    this.blend();
    this.layers = this.layers.map(({ layer }) => this.upload(layer));
    if (this.last) this.draw(...this.last);
  }

  setLayers(layers: readonly Layer[]): void {
    const { gl } = this;
    for (const { vao, parts } of this.layers) {
      gl.deleteVertexArray(vao);
      for (const { buffer } of parts) gl.deleteBuffer(buffer);
    }
    this.layers = layers.map((layer) => this.upload(layer));
  }

  draw(view: View, [r, g, b]: readonly [number, number, number], most = Infinity): void {
    const { gl, canvas, program } = this;
    this.last = [view, [r, g, b], most];
    const ratio = fitCanvas(canvas);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(r / 255, g / 255, b / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(program);
    const at = (name: string) => gl.getUniformLocation(program, name);
    gl.uniform2f(at("centre"), view.x, view.y);
    gl.uniform2f(
      at("scale"),
      (2 * view.scale) / canvas.clientWidth,
      (2 * view.scale) / canvas.clientHeight,
    );
    gl.uniform3f(at("background"), r / 255, g / 255, b / 255);
    for (const { vao, parts, layer } of this.layers) {
      const size = layer.size * ratio;
      gl.uniform1f(at("size"), size);
      gl.uniform1f(at("rim"), layer.rim ? (2.4 * ratio) / size : 0);
      gl.bindVertexArray(vao);
      const step = stepOf(layer, most);
      for (const part of parts) this.point(part, step);
      gl.drawArrays(gl.POINTS, 0, Math.ceil(layer.n / step));
    }
    gl.bindVertexArray(null);
  }

  private upload(layer: Layer): Buffers {
    const { gl } = this;
    const vao = gl.createVertexArray();
    gl.bindVertexArray(vao);
    const parts = [
      this.attribute("place", layer.places, 2, gl.FLOAT, false),
      this.attribute("colour", layer.colours, 4, gl.UNSIGNED_BYTE, true),
      this.attribute("shape", layer.shapes, 1, gl.UNSIGNED_BYTE, false),
    ];
    gl.bindVertexArray(null);
    return { vao, parts, layer };
  }

  private attribute(
    name: string,
    values: Float32Array | Uint8Array,
    width: number,
    type: number,
    normalised: boolean,
  ): Attribute {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    const at = gl.getAttribLocation(this.program, name);
    gl.enableVertexAttribArray(at);
    return { buffer, at, width, type, normalised, bytes: width * values.BYTES_PER_ELEMENT };
  }

  /** Take the values of every so manieth point. */
  private point({ buffer, at, width, type, normalised, bytes }: Attribute, step: number): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.vertexAttribPointer(at, width, type, normalised, step * bytes, 0);
  }
}

function compiled(gl: WebGL2RenderingContext): WebGLProgram | null {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}
