// A dropout site of a step (dropout/key.rs). A threshold of 0 drops nothing. `first` is the number of the
// first element here.
struct Dropout { unsigned key0, key1, site0, site1, threshold; float scale; unsigned long long first; };

// The random numbers that an element's factor was taken from, for the next one: eight elements share them.
struct Drawn { unsigned long long block = ~0ull; Words words; };

// The factor of an element. Element e of a group of 64 takes 16 bits of word (e / 16) of block (e % 8), the
// upper ones where e % 16 is at least 8.
__device__ __forceinline__ float keep_as(Drawn& drawn, const Dropout& d, unsigned long long element) {
    if (d.threshold == 0) return 1.0f;
    element += d.first;
    unsigned within = (unsigned)(element & 63);
    unsigned long long block = (element >> 6) * 8 + (within & 7);
    if (block != drawn.block) {
        drawn.block = block;
        drawn.words = philox((unsigned)block, (unsigned)(block >> 32), d.site0, d.site1, d.key0, d.key1);
    }
    Words words = drawn.words;
    unsigned part = within >> 4;
    unsigned word = part == 0 ? words.x : part == 1 ? words.y : part == 2 ? words.z : words.w;
    unsigned bits = within & 8 ? word >> 16 : word & 0xFFFFu;
    return bits >= d.threshold ? d.scale : 0.0f;
}

__device__ __forceinline__ float keep(const Dropout& d, unsigned long long element) {
    Drawn drawn;
    return keep_as(drawn, d, element);
}
