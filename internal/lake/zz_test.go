package lake
import ("testing";"syscall";"time";"fmt";"bytes";"github.com/parquet-go/parquet-go";"github.com/parquet-go/parquet-go/compress/zstd")
func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(1 /*thread*/, &r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func measure[T any](rows []T, enc func([]byte,[]T)([]byte,error)) float64 {
 best:=1e18
 var buf []byte
 for range 7 { n:=max(1,40000/len(rows)/ (1+ 400/len(rows)/10)); s:=cpu(); for range n { buf,_=enc(buf[:0],rows) }; d:=float64((cpu()-s).Nanoseconds())/float64(n); best=min(best,d) }
 return best
}
func gen[T any]() func([]byte,[]T)([]byte,error) {
 w:=parquet.NewGenericWriter[T](&bytes.Buffer{}, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.WriteBufferSize(0), parquet.DataPageStatistics(false))
 return func(dst []byte, rows []T)([]byte,error) { o:=bytes.NewBuffer(dst); w.Reset(o); w.Write(rows); w.Close(); return o.Bytes(),nil }
}
func TestZB(t *testing.T){
 for _,n:=range []int{20,1000,20000} {
 fmt.Printf("%d silver: columns %.0f generic %.0f ns/row; bronze: columns %.0f generic %.0f\n",n, measure(silverRows(n),EncodeSilver)/float64(n), measure(silverRows(n),gen[SilverRow]())/float64(n), measure(bronzeRows(n),EncodeBronze)/float64(n), measure(bronzeRows(n),gen[BronzeRow]())/float64(n))
 }
}
