package locate
import ("testing";"os";"fmt")
func TestWork(t *testing.T){
 for _,p := range []string{"/tmp/locate/npm/claude-linux-x64@2.1.330/package/claude","/tmp/locate/npm/node20/package/bin/node","/usr/lib/chromium/chromium","/tmp/locate/npm/codex-x/package/vendor/x86_64-unknown-linux-musl/bin/codex","/usr/lib/google-cloud-sdk/bin/cloud_spanner_emulator/emulator_main","/tmp/locate/npm/claude-linux-arm64@2.1.330/package/claude","/usr/lib/google-cloud-sdk/platform/bundledpythonunix/lib/python3.12/site-packages/cryptography/hazmat/bindings/_rust.abi3.so"} {
  f,_ := os.Open(p); st,_ := f.Stat(); im,_ := newImage(f, st.Size()); l,err := im.find(); fmt.Println(p, im.work, len(l), err); f.Close()
 }
}
