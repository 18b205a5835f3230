// Puts samples [m] at `positions` [m] (ascending) of `input_ids` [n]: the ids `now` [n], and `replaced` [n],
// 1 where they differ from `input_ids`. Several samples for one position give the floor of their mean
// (corruption/mod.rs).
extern "C" __global__ void put_samples(const unsigned* input_ids, const unsigned* positions, const unsigned* samples, unsigned m,
                                       unsigned* now, float* replaced, unsigned n) {
    for (unsigned i = (unsigned)first_element(); i < n; i += (unsigned)stride()) {
        unsigned low = 0, high = m;
        while (low < high) {
            unsigned middle = (low + high) / 2;
            if (positions[middle] < i) low = middle + 1; else high = middle;
        }
        unsigned long long sum = 0;
        unsigned count = 0;
        for (; low < m && positions[low] == i; ++low, ++count) sum += samples[low];
        unsigned id = count ? (unsigned)(sum / count) : input_ids[i];
        now[i] = id;
        replaced[i] = id == input_ids[i] ? 0.0f : 1.0f;
    }
}
