import CLMDB
import Glibc

/// One text in LMDB at its best for reading: nothing is synced, and one reader is renewed and reset.
struct LMDBText {
    private let environment: OpaquePointer
    private let transaction: OpaquePointer
    private let database: MDB_dbi
    private let key: UnsafeMutableRawBufferPointer
    private let directory: String

    init(_ text: String, in directory: String) {
        var environment: OpaquePointer?
        Self.check(mdb_env_create(&environment))
        Self.check(mdb_env_open(environment, directory, UInt32(MDB_NOSYNC | MDB_WRITEMAP), 0o600))
        var transaction: OpaquePointer?
        var database = MDB_dbi()
        Self.check(mdb_txn_begin(environment, nil, 0, &transaction))
        Self.check(mdb_dbi_open(transaction, nil, 0, &database))
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
        key.copyBytes(from: "text".utf8)
        var bytes = Array(text.utf8)
        bytes.withUnsafeMutableBytes { bytes in
            var key = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
            var value = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
            Self.check(mdb_put(transaction, database, &key, &value, 0))
        }
        Self.check(mdb_txn_commit(transaction))
        Self.check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction))
        mdb_txn_reset(transaction)
        guard let environment, let transaction else { fatalError("LMDB gave nothing") }
        self.environment = environment
        self.transaction = transaction
        self.database = database
        self.key = key
        self.directory = directory
    }

    func read(_ count: Int) -> Int {
        var sum = 0
        for _ in 0..<count {
            Self.check(mdb_txn_renew(transaction))
            var key = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
            var value = MDB_val()
            Self.check(mdb_get(transaction, database, &key, &value))
            sum &+= Int(value.mv_data.load(as: UInt8.self)) + value.mv_size
            mdb_txn_reset(transaction)
        }
        return sum
    }

    func close() {
        mdb_txn_abort(transaction)
        mdb_env_close(environment)
        unlink(directory + "/data.mdb")
        unlink(directory + "/lock.mdb")
        key.deallocate()
    }

    private static func check(_ result: CInt) {
        if result != 0 { fatalError(String(cString: mdb_strerror(result))) }
    }
}
