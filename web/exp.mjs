import { readFileSync } from "node:fs"; import { brotliCompressSync as b, constants as c } from "node:zlib";
import { minify as terser } from "terser";
const z=t=>b(Buffer.from(t),{params:{[c.BROTLI_PARAM_QUALITY]:11,[c.BROTLI_PARAM_SIZE_HINT]:Buffer.byteLength(t)}}).length;
const s=readFileSync("dist/guerdon.js","utf8"); console.log("now",z(s));
for (const [n,o] of Object.entries({
 base:{}, unsafe:{unsafe:true,unsafe_methods:true,unsafe_undefined:false}, noseq:{sequences:false}, nocond:{conditionals:false}, noinline:{inline:false,reduce_funcs:false}, nocollapse:{collapse_vars:false}, pure:{pure_getters:true}, nofargs:{keep_fargs:false}, hoist:{hoist_vars:true}, nojoin:{join_vars:false}, noif:{if_return:false}, nobool:{booleans:false}, ecma2022:{ecma:2022}})) {
 const r=await terser(s,{module:true,ecma:2020,compress:{passes:3,unsafe_arrows:true,...o},mangle:true}); console.log(n,r.code.length,z(r.code)); }
try { const {minifySync}=await import("rolldown/experimental"); const r=minifySync("a.js",s,{module:true,compress:false,mangle:{toplevel:true},codegen:{removeWhitespace:true}}); console.log("oxc mangle",r.code.length,z(r.code)); const r2=minifySync("a.js",s,{module:true,compress:{},mangle:{toplevel:true},codegen:{removeWhitespace:true}}); console.log("oxc all",r2.code.length,z(r2.code)); } catch(e){console.log(String(e).slice(0,300))}
